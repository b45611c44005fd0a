"""The engine: calls to endpoints, their concurrency, retries and worker processes."""
