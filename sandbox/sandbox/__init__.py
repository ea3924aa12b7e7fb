"""The export API and three CRM emulators in one local process, for the demo and the tests.

Each vendor has a folder (`canai`, `hubspot`, `pipedrive`, `salesforce`) with the same five files:
`routes`, `responses`, `state`, `errors`, `fixtures`; a larger resource has a file of its own, named
after it. `state` beside this file holds the emulators together, `app` serves them behind one
origin, `control` is the control plane under `/_sandbox/`, `faults` what can be made to fail.

Imports go one way: `app`, `control`, `state`, a vendor's `routes`, its resources, its `responses`,
`state`, `fixtures` and `errors`, and what all vendors share. Nothing here is imported by a
connector, and no connector knows that the sandbox exists.
"""
