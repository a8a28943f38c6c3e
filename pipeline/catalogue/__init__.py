"""What providers and models can do, cost and when they end: dated YAML data and its reader."""
