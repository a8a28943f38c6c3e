"""One paid attempt, from a durable intent to kept pictures; the same settling during a run and at recovery."""
