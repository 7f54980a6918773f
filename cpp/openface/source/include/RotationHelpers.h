// Takes the place of OpenFace's header of this name, of which the detector needs nothing but what it includes.
#pragma once

#include "stdafx.h"
