"""The command line: arguments, what is printed, exit status."""
