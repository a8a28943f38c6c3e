"""From a manifest to what is asked: cells, keys, what the ledger says to them, and the order in which they may start.

plan = make_plan(manifest, inputs, catalogue)
for entry in resolve(plan.cells(), ledger.slots, space_of=space_of):
    entry.asset, entry.state, entry.why, entry.key, entry.quote

frontier = Frontier(plan, ledger.slots, space_of=space_of, report=settled)
work = frontier.next("clauddy")                  # a Work: one request to be, or None
frontier.finished(work, [StepResult(state=State.DONE, image=image)])
"""

from pipeline.plan.asking import Asked as Asked
from pipeline.plan.cell import PlannedCell as PlannedCell
from pipeline.plan.frontier import Frontier as Frontier
from pipeline.plan.keys import plan_key as plan_key
from pipeline.plan.making import Plan as Plan
from pipeline.plan.making import make_plan as make_plan
from pipeline.plan.making import sources as sources
from pipeline.plan.recipe import Recipe as Recipe
from pipeline.plan.resolve import resolve as resolve
from pipeline.plan.resolved import Resolved as Resolved
from pipeline.plan.resolver import Known as Known
from pipeline.plan.resolver import Lookup as Lookup
from pipeline.plan.resolver import Previous as Previous
from pipeline.plan.resolver import Rules as Rules
from pipeline.plan.resolver import SpaceOf as SpaceOf
from pipeline.plan.why import Difference as Difference
from pipeline.plan.why import differences as differences
from pipeline.plan.work import Settled as Settled
from pipeline.plan.work import StepResult as StepResult
from pipeline.plan.work import Work as Work
