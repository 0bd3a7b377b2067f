"""What Whiskers costs: ratios to raw calls, measured in one run on one machine. `make bench` prints the table."""
