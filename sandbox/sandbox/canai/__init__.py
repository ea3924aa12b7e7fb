"""The export API: `routes` lists the calls and their handlers, `state` is the platform."""
