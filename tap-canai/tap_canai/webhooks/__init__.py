"""Webhooks: the platform's events, taken in by `canai-webhooks serve`, kept in an inbox, read as the stream `events`.

    sender → receiver (app) → events (is it one?) → writer (one commit for many) → inbox → stream `events` → a target

Invariant: 200 is answered only once the event is committed; an event is in the inbox once, however often it is sent.
"""
