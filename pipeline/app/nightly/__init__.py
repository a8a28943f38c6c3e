"""What a run leaves for machines and for people who were asleep: JUnit, a summary page, webhooks, sidecars."""
