"""The relay: brings streams of records to a receiver, and knows how far each has come."""

from tasuki.relay.route import Route, State
from tasuki.relay.sender import Acks, Round, Sender, Transport

__all__ = ["Acks", "Round", "Route", "Sender", "State", "Transport"]
