"""`run_schedule`: feeds ready work to an executor, a lane per provider, until there is none or something stops it.

The schedule knows nothing of images, prices or limits: a `WorkSource` decides what comes next (parents before children,
longest remaining chain first), `execute` does one work, a lane's seats say when another may be taken up (a pacer's
`seat`), and errors of `domain.errors` say what an ending means for the rest. One failure never stops the rest.

    result = await run_schedule(frontier, execute, [Lane(name="clauddy", seats=pacer.seat, close=pacer.close,
                                expected=pacer.seconds)], stop=stop, rules=StopRules(), recorder=recorder)

What stops what (whatever is in flight is always waited for, but for a second signal):

| cause                                     | nothing new at        | waits at the door and backoffs | exit    |
| ----------------------------------------- | --------------------- | ------------------------------ | ------- |
| first signal                              | every lane            | end, stay planned              | 130/143 |
| second signal                             | every lane            | all is cancelled at once       | 130/143 |
| DiskFull, LedgerFault; a fault of our own | every lane            | end, stay planned              | 1       |
| KeyRefused / NoFunds, QuotaGone           | that lane             | end, stay planned              | 3 / 4   |
| NetworkDown (`run.network_wait` is over)  | that lane             | end, stay planned              | 1       |
| BudgetReached: run, month, images         | that lane             | go on: cheaper ones may fit    | 12      |
| BudgetReached: one asset, one request     | nowhere               | go on                          | 12      |
| deadline                                  | that lane, when its   | end, stay planned              | 13      |
|                                           | answers would be late |                                |         |
| failures or unknowns in a row             | that lane             | end, stay planned              | 11 / 14 |
| fail-fast                                 | every lane            | end, stay planned              | 11      |
"""

from pipeline.schedule.lanes import Ended, Execute, Lane, WorkSource
from pipeline.schedule.running import run_schedule
from pipeline.schedule.stops import LaneStop, ScheduleResult, Stop, StopRules

__all__ = ["Ended", "Execute", "Lane", "LaneStop", "ScheduleResult", "Stop", "StopRules", "WorkSource", "run_schedule"]
