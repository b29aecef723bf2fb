"""`make fuzz`: every reader fed with damaged and hostile files for minutes; see docs/operation.md."""
