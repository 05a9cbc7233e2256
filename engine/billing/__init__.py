"""Billing (contract §15): the price book, what a call costs, the wallet over its ledger, plans with shared minutes.

Amounts are integers of ten-thousandths everywhere; no float touches money. SQL is in `engine.store`.
"""
