module alga-appliance.invalid/lab/terminal

go 1.26.0
