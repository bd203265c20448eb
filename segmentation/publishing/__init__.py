"""Where finished builds go: published file, PostgreSQL, Parquet, workbook."""
