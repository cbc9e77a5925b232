package biometrics

// Wipe overwrites the template, which is fit for nothing afterwards. Nobody else
// may be using it.
func (t *Template) Wipe() {
	clear(t.minutiae)
	if t.ridges != nil {
		clear(t.ridges.codes)
		clear(t.ridges.waves)
	}
	clear(t.cover.on)
	clear(t.cylinders)
	clear(t.textures)
	*t = Template{}
}

// Wipe overwrites all impressions.
func (e *Enrolment) Wipe() {
	for _, t := range e.impressions {
		t.Wipe()
	}
	e.impressions = nil
}
