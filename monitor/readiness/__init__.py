"""What production must have before it is let in: what runs carried (`carried`), who depends on whom (`dependents`)."""
