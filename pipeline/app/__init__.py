"""The composition root: opens, joins and closes the parts; the only room that knows all of them."""
