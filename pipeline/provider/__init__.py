"""Endpoints over HTTP: the images and chat protocols, and url results."""
