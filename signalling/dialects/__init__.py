"""Protocols spoken with clients: text to typed requests, results and events to text. Pure; one module each."""
