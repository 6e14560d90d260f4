package queue

// Keyed is how many keyed lanes exist.
func (s *Set[T]) Keyed() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return len(s.keyed)
}

// Workers is how many worker goroutines are alive.
func (s *Set[T]) Workers() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return len(s.workers)
}

// InLine is how many entries wait for a worker.
func (s *Set[T]) InLine() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.inLine()
}

// Sleeping is how many lanes wait for a retry's time.
func (s *Set[T]) Sleeping() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return len(s.waits)
}

// Dropping is of how many lanes it is noted since when they drop.
func (s *Set[T]) Dropping() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return len(s.dropping)
}
