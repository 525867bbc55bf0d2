"""Images that are no files of a local folder: rows of Parquet files, members of tar shards, files of an object storage."""
