"""Finding personal details in text: families of recognisers, gazetteers, disguises."""
