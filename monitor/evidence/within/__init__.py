"""What belongs to the nodes of one agent beside the bets: their order, their episodes, facts, objectives, deploys."""
