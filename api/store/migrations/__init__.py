"""The steps from an empty database to today's tables, run at every start; see `api.store.database`."""
