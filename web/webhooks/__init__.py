"""Webhooks: telling owners elsewhere of what needs them."""
