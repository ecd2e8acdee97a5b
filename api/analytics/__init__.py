"""Call analytics, compatible with peermetrics (contract analytics)."""
