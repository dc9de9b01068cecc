"""Drafts: what an assistant prepares and a person signs. Nothing here acts; only Task/$sign-off moves a draft on.

checks       deterministic checks of a refill and of an appointment; pure        visits       which free Slot; pure
difference   what a draft changes against its order; pure                        chart diary  what of the record is looked at
lane         what every draft comes with: label, Device, Task, Provenance        told         what the caller is told
refill       $draft-refill      appointment  $draft-appointment (wanted: its parameters)
booked       a visit that is booked, and giving it back                         cancellation  $draft-cancellation
response     $respond, a participant's own answer                               calendar ics  $calendar, a visit as a file
review       Task/$review       standing     the checks as they stand now
signoff      Task/$sign-off     approval     what an approval does               seal         that nothing else does it
"""
