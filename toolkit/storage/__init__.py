"""Storage: files, tables and folders that are whole or absent."""
