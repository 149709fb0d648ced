"""Delivery of alerts: to webhooks and to whatever apprise knows, by one process per data folder."""

from tasuki.notify.message import Message
from tasuki.notify.service import DeliveryService, TestResult, is_delivering, send_test

__all__ = ["DeliveryService", "Message", "TestResult", "is_delivering", "send_test"]
