"""CDS Hooks: the checks of the draft lane as cards, where a clinician orders and where a chart is opened.

    services    the two services, and what each looks at
    cards       a check -> a card
    serving     /cds-services over HTTP, under the caller's token

https://cds-hooks.hl7.org/2.0/
"""
