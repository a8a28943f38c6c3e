"""Our own OpenAI-compatible server: embedded default, rehearsal, test peer."""
