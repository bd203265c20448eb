"""What surrounds a dbt run: where the project is, hooks, run log and summary."""
