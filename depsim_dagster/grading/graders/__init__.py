"""Who judges a turn: models, rules, ensembles, cascades."""
