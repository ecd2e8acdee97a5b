"""The one room that every dialect shares: commands in, events out, no I/O and no clock."""
