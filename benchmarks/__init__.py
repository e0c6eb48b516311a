"""What a sync costs: data calls beside the least there can be, time beside its lower bound, processor and memory."""
