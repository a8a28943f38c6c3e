"""The SQLite record of every run, attempt, image and cost."""
