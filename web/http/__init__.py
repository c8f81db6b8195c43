"""The HTTP front door: listener, connections, application, guards and limits; a request comes in here."""
