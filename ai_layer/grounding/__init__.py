"""grounding: what a claim says, taken apart and compared with what it cites. Pure.

facts        what the cited elements bear: names, value, unit, dates, range, status      said       a claim's names, dates and numbers, clause by clause
numbers      each number with its unit, in its place                                   moments    each date is that of what it speaks of
comparisons  up, down, the same; above, below and inside a range; flags and statuses   names      no other concept is spoken of
vocabulary   no word that says more than all of this: a closed list
"""
