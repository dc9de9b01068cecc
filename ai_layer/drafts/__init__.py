"""Drafts: what an assistant prepares and a person signs. Nothing here acts; only Task/$sign-off moves a draft on.

checks       deterministic checks of a refill and of an appointment; pure
chart        the part of a record that the checks look at
lane         what every draft comes with: label, Device, Task, Provenance
refill       $draft-refill      appointment  $draft-appointment      signoff  Task/$sign-off
"""
