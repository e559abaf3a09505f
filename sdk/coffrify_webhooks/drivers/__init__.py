"""The two drivers, sync and async, that step the pipeline and perform its effects."""
