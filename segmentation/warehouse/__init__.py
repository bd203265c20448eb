"""The DuckDB database: opening it, extensions, hashes of tables and code."""
