"""Every model call of the product: candidate, predecessor, grader, detector.

regenerate    prefixes in, completions out (assets and schema tie it to the lake)
dialects/     how a model is asked, and how its answer is read: Chat Completions, Responses, Decisions
calls/        the engine: calls to endpoints, their pace, retries, worker processes
batch/        the same calls in files, through Files and Batches
journal/      answers that were paid for, on disk before they count, and for whom they were asked
budget/       what was spent, what may be, and how tokens are counted
"""
