"""The command line against hosts that are nobody's: a stranger's black-box checks."""
