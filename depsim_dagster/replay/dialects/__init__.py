"""How a model is asked: chat, responses and decisions bodies, and the reading of their answers."""
