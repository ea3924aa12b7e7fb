"""Webhooks: the platform's events, received by `canai-webhooks serve` and kept in an inbox.

    sender → receiver → events (is it one?) → writer (one commit for many) → inbox
                                                   inbox → stream `events` → a target

Invariant: 200 is answered only once the event is committed; an event is in the inbox once, however
often it is sent.
"""
