"""Series as people have them: reading, periods, and where windows lie. No model is known here."""
