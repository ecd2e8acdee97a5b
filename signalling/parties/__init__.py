"""What one socket may do in its dialect, and when: requests to the commands of rooms. One module a dialect."""
