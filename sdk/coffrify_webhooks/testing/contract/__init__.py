"""The parts of the store contract; `coffrify_webhooks.testing.store_contract` joins them."""
