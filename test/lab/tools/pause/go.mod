module alga-appliance.invalid/lab/pause

go 1.26.0
