"""The export API and three CRM emulators in one local process, for the demo and the tests.

Layout: one folder a vendor (`canai`, `hubspot`, `salesforce`, `pipedrive`), each with its state and its routes;
`app` joins them behind one origin, `control` is the control plane under `/_sandbox/`, `faults` what can be made to fail.
Nothing here is imported by a connector, and no connector knows that the sandbox exists.
"""
